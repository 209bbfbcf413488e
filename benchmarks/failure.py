"""What ends one measurement, but not the whole run."""


class MeasurementFailed(Exception):
    """Raised when a system under test did not do what was to be measured. The text says what, with its last words."""
