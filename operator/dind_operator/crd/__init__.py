"""The CustomResourceDefinition and its reference page, generated from the models in `api`."""
