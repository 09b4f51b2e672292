"""The notebooks as files: text twins, running, storing and checking them, the README's list and the site."""
