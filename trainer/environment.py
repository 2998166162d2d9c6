"""The environment variables by which a run's processes know of each other. Credentials and the S3 endpoint are the only others read."""

RUN = "SIGHTLINE_RUN"  # the run's id, for records
COMMAND = "SIGHTLINE_COMMAND"  # what the user typed, for the report
EVENTS = "SIGHTLINE_EVENTS"  # a file that takes events, one JSON object a line
STAGES = "SIGHTLINE_STAGES"  # a folder that remembers what stages did, by their parameters
PARENT = "SIGHTLINE_PARENT"  # a process id: when it ends, so does whoever finds it here
WORKERS = "SIGHTLINE_WORKERS"  # N or MIN:MAX, for the local launcher
RESULT = "SIGHTLINE_RESULT"  # a file that takes the TrainReport of a launch
