"""The services of Lantern.

Each owns its data, answers gRPC and tells the others what happened by events; none imports another.
"""
