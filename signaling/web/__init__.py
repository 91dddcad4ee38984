"""The pages: templates, plain ES modules and a small style layer over gov.gr's design system."""
