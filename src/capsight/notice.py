"""What every output of this project says of itself."""

NOTICE = "Research use only, not a medical device."
