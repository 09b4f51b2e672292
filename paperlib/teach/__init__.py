"""Drawing, widgets and exercise checks for the notebooks."""
