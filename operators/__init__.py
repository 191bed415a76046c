"""Every controller there is, in the order `understudy controllers` prints them: importing a module registers it."""

