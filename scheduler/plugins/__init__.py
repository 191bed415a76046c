"""The scheduler's plugins, one file each: pure modules in the form `scheduler.framework` describes."""
