"""SNS: topics that hand each message to the functions and queues that are subscribed to them.

`message.py` says what can be published, `subscription.py` what a subscription may ask for, `filter_policy.py` and
`filter_rule.py` which messages pass its filter, `event.py` what arrives; all are pure. `fan_out.py` puts what becomes
of one message into one transaction, `api.py` is what a client may call.
"""
