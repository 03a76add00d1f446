"""The contracts between parts; `seqtool.api` re-exports what a plugin needs."""
