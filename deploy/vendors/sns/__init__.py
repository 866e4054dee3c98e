"""Amazon SNS: mobile push, and the topics that carry SES events to the gateway."""
