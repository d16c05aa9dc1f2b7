"""What happens because time passes: the list of jobs, reminders and retention."""
