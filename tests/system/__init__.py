"""The whole system as processes, used as a stranger would: `thrice up`, boto3, the AWS CLI, and SIGKILL."""
