"""The pages around the meetings: device and network check, contact form, help, what comes next."""
