"""The course as a site: its pages, glossary, pages of papers, and search."""
