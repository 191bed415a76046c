"""The container engine: found, or Debian's own installed and started where there is none and the user said so."""
