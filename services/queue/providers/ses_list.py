"""Amazon SES's own list of addresses that it sends nothing to: an account has one in each region."""

from collections.abc import Sequence
from dataclasses import replace

from botocore.exceptions import BotoCoreError, ClientError

from services.queue.providers.aws import AwsClient, AwsSettings
from services.queue.providers.ses_email import in_ascii

_NOT_ON_IT = "NotFoundException"


class SesList:
    """The lists of all regions by which e-mail goes."""

    def __init__(self, regions: Sequence[AwsSettings]) -> None:
        """Nothing is connected yet."""
        self._clients = [AwsClient("sesv2", replace(each, concurrency=1)) for each in regions]

    async def remove(self, address: str) -> str:
        """Take an address off every list; return why one of them may have it still, empty when none has."""
        return "; ".join([said for each in self._clients if (said := await _removed(each, in_ascii(address)))])

    async def close(self) -> None:
        """End the connections."""
        for each in self._clients:
            await each.close()


async def _removed(aws: AwsClient, address: str) -> str:
    try:
        await aws.call(aws.client.delete_suppressed_destination, EmailAddress=address)
    except ClientError as problem:
        code = str(problem.response.get("Error", {}).get("Code", ""))
        return "" if code == _NOT_ON_IT else code or "no code"
    except BotoCoreError as problem:
        return type(problem).__name__
    return ""
