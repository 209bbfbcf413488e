"""Parity with AWS, sentence by sentence: what AWS does, whether thrice does the same, and the test that says so.

The sentences are in `catalogue/*.toml`, one row each: an id, a verdict, the sentence. A test that shows a row carries
`@pytest.mark.parity("the.id")`. `python -m tests.parity` writes docs/parity.md from both; tests see to it that no row
claims anything without a test, that no test names a row that does not exist, and that the page is up to date.

To flip a row, change its verdict and mark the test that shows it: `same`; `differs`, and then `why` says why; or
`not yet`, which has no test, and may say in `why` what is done instead.
"""
