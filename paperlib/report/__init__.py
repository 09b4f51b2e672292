"""Looking at detectors: pictures with what they found, and a page that says how good they are and where."""
