"""The process that fires the schedules of EventBridge rules. Any number of them may run; none leads."""
