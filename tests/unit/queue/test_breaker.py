"""How long a provider that cannot be reached is left alone."""

from services.queue.actions.dispatch import Breaker


def test_batches_that_fail_together_count_as_one_failure() -> None:
    breaker = Breaker()
    assert [breaker.failed(0.0) for _ in range(4)] == [1.0] * 4
    breaker.until = 0.0
    assert breaker.failed(0.0) == 2.0
    assert breaker.failed(60.0) == 60.0
    breaker.answered()
    breaker.until = 0.0
    assert breaker.failed(0.0) == 1.0
