"""A recipe and a registry -> everything that a training needs, checked and wired."""
