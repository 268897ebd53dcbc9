"""What demo_recorder is made of: taps on the streams, their judges, and the recording under way."""
