"""A truthful LLM provider in one process: the demo's endpoints, the test double, the calibration target.

It plays candidates of known speed, accuracy and cost, and writes down what it really sent, not what it meant to send.
"""
