"""Certificates of SNS: fetched from addresses of their own alone, and never in the way of those that are known."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from deploy.vendors.sns.signing import Signer
from services.gateway import sns
from services.gateway.sns import Certificates
from services.kit.errors import PermissionDenied, Unavailable

HOST = "sns.us-east-1.amazonaws.com"
ADDRESS = f"https://{HOST}/SimpleNotificationService-1.pem"
SIGNER = Signer()


def test_a_certificate_is_fetched_once_however_its_address_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []

    def fetch(address: str) -> bytes:
        fetched.append(address)
        return SIGNER.certificate_pem

    monkeypatch.setattr(sns, "fetch", fetch)
    certificates = Certificates(frozenset({HOST}))
    for address in (ADDRESS, ADDRESS.replace("sns.us", "SNS.us"), f"{ADDRESS}?", f"{ADDRESS}#"):
        certificates.key(address)
    assert fetched == [ADDRESS]


@pytest.mark.parametrize(
    "address",
    [
        f"{ADDRESS}?17",
        f"{ADDRESS}#17",
        "https://evil.example/SimpleNotificationService-1.pem",
        f"https://{HOST}/evil.pem",
        f"http://{HOST}/SimpleNotificationService-1.pem",
        "http://169.254.169.254/SimpleNotificationService-1.pem",
        "https://[",
        "",
    ],
)
def test_an_address_that_is_none_of_a_certificate_is_refused_unfetched(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(sns, "fetch", lambda _: pytest.fail("it was fetched"))
    with pytest.raises(PermissionDenied):
        Certificates(frozenset({HOST})).key(address)


def test_who_knows_the_certificate_waits_for_nobody_who_fetches_another(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def fetch(address: str) -> bytes:
        if address != ADDRESS:
            begun.set()
            assert may_end.wait(10)
        return SIGNER.certificate_pem

    monkeypatch.setattr(sns, "fetch", fetch)
    certificates = Certificates(frozenset({HOST}))
    known = certificates.key(ADDRESS)
    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(certificates.key, ADDRESS.replace("1.pem", "2.pem"))
        assert begun.wait(10)
        try:
            assert threads.submit(certificates.key, ADDRESS).result(5) is known
            with pytest.raises(Unavailable):
                threads.submit(certificates.key, ADDRESS.replace("1.pem", "3.pem")).result(5)
        finally:
            may_end.set()
        slow.result(5)


def test_few_certificates_are_kept_and_a_failed_one_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []

    def fetch(address: str) -> bytes:
        fetched.append(address)
        if len(fetched) == 1:
            raise Unavailable("SNS_UNREACHABLE", "SNS does not answer.")
        return SIGNER.certificate_pem

    monkeypatch.setattr(sns, "fetch", fetch)
    certificates = Certificates(frozenset({HOST}))
    with pytest.raises(Unavailable):
        certificates.key(ADDRESS)
    others = [ADDRESS.replace("1.pem", f"x{number}.pem") for number in range(10)]
    for address in (ADDRESS, *others, *others, ADDRESS):
        certificates.key(address)
    assert fetched == [ADDRESS, ADDRESS, *others, ADDRESS]
