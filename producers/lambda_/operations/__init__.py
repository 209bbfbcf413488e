"""The operations of Lambda, a module for each subject; `producers/lambda_/api.py` puts them together.

A method is one operation: its parameters are the members of AWS's request that are obeyed.
"""
