"""What the queue reads from the environment: the only place that does."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator, model_validator

from services.kit.config import Address, DatabaseUrl, ServiceSettings, Settings
from services.queue.domain import Channel


class RestoredSettings(Settings):
    """The settings of `python -m services.queue restored`."""

    database_url: DatabaseUrl
    """postgresql://… of the queue's restored database."""


class QueueConfig(ServiceSettings):
    """What every process of the queue reads."""

    service_token: SecretStr
    """The queue's own token, which ends after its days, with the scope directory.read."""
    directory_address: Address
    """HOST:PORT of directory."""
    redial_seconds: float = Field(default=300.0, gt=0, le=3600)
    """Pause before a call that nobody took is made again; the next is thrice as long. Urgent lanes wait a tenth."""
    sms_segment_price: float = Field(default=0.0, ge=0, le=10)
    """What a segment of a text costs, in dollars, for the composer's preview; 0: no price is shown."""
    call_minute_price: float = Field(default=0.0, ge=0, le=10)
    """What a minute of a call costs, in dollars, likewise."""
    progress_pause_seconds: float = Field(default=0.3, ge=0.05, le=60)
    """An entry's progress is told at most once in this time."""
    aws_region: str = "us-east-1"
    """Region of SES, SNS and S3."""
    aws_access_key_id: str = ""
    """Empty: no e-mail and no push leave, and no bucket is reached."""
    aws_secret_access_key: SecretStr = SecretStr("")
    """The key's secret."""
    aws_endpoint_url: str = ""
    """Where SES, SNS and Translate are; empty: Amazon's own."""
    translate_region: str = ""
    """Region of Amazon Translate; empty: messages leave as they were written."""
    provider_timeout_seconds: float = Field(default=10.0, gt=0, le=60)
    """The longest that one call of a provider may take."""
    provider_concurrency: int = Field(default=32, ge=1, le=500)
    """Calls of one channel's provider at the same time, by one process; alerts and emergencies have as many of their
    own."""
    recordings_bucket: str = ""
    """S3 bucket for the audio of recorded calls; with it empty and no folder there are no recorded calls."""
    recordings_s3_endpoint_url: str = ""
    """Where that bucket is; empty: Amazon's own."""
    recordings_folder: Path | None = None
    """Folder for the audio in place of a bucket, where all processes of the queue share a machine."""
    recordings_secret: SecretStr = SecretStr("")
    """Signs the addresses of recordings; at least 32 characters, the same in every process of the queue."""

    answers_secret: SecretStr = SecretStr("")
    """Signs the personal links of polls and sign-ups; at least 32 characters, the same in every process of the queue.
    Empty: there are none."""
    answers_url: str = ""
    """The gateway's /answer, as families reach it; empty: no polls and no sign-ups leave."""

    sender_domains: str = ""
    """Domains, with commas between them, that the e-mail provider has verified: senders may be set up with addresses
    of these. Empty: e-mail comes from SES_FROM_ADDRESS alone."""
    unsubscribe_secret: SecretStr = SecretStr("")
    """Signs the links by which e-mails are unsubscribed; at least 32 characters, the same in every process of the
    queue. Empty: such links do not work."""

    @model_validator(mode="after")
    def _links_with_a_secret(self) -> "QueueConfig":
        if 0 < len(self.unsubscribe_secret.get_secret_value()) < 32:
            raise ValueError("UNSUBSCRIBE_SECRET: should have at least 32 characters")
        if self.has_surveys and len(self.answers_secret.get_secret_value()) < 32:
            raise ValueError("ANSWERS_SECRET: should have at least 32 characters")
        return self

    @model_validator(mode="after")
    def _one_place_with_a_secret(self) -> "QueueConfig":
        if self.recordings_bucket and self.recordings_folder:
            raise ValueError("RECORDINGS_BUCKET and RECORDINGS_FOLDER: only one of them can be set")
        if self.has_recordings and len(self.recordings_secret.get_secret_value()) < 32:
            raise ValueError("RECORDINGS_SECRET: should have at least 32 characters")
        return self

    @property
    def domains(self) -> list[str]:
        """The domains that e-mails may come from."""
        return _names(self.sender_domains.lower())

    @property
    def has_recordings(self) -> bool:
        """Whether there are recorded calls."""
        return bool(self.recordings_bucket or self.recordings_folder)

    @property
    def has_surveys(self) -> bool:
        """Whether there are polls and sign-ups."""
        return bool(self.answers_secret.get_secret_value())


class ProviderConfig(QueueConfig):
    """What processes that call providers read. An empty account leaves its channel unserved: deliveries wait."""

    twilio_account_sid: str = ""
    """AC…; empty: no texts leave."""
    twilio_auth_token: SecretStr = SecretStr("")
    """The account's token."""
    twilio_base_url: str = "https://api.twilio.com"
    """Twilio, or what speaks like it."""
    twilio_from_number: str = ""
    """E.164 number or messaging service (MG…) that texts come from."""
    twilio_voice_number: str = ""
    """E.164 number that calls come from; empty: TWILIO_FROM_NUMBER, if that is a number."""
    twilio_status_callback_url: str = ""
    """The gateway's /webhooks/twilio/status, as Twilio reaches it; empty: receipts are only asked for."""
    recordings_url: str = ""
    """The gateway's /webhooks/twilio/recordings, as Twilio reaches it; empty: no recorded calls leave."""
    unsubscribe_url: str = ""
    """The gateway's /unsubscribe, as families reach it; empty: e-mails offer no unsubscribing."""
    recording_keep_days: int = Field(default=365, ge=1, le=3650)
    """How long a recording is kept after it was last sent."""
    ses_from_address: str = ""
    """Verified sender; empty: no e-mail leaves."""
    ses_configuration_set: str = ""
    """Publishes the events of our e-mails; in the standby region too, if there is one."""
    ses_standby_region: str = ""
    """Region by which e-mail goes while SES is away in the usual one; empty: it waits."""
    ses_standby_endpoint_url: str = ""
    """Where SES is in that region; empty: Amazon's own."""
    sms_standby_origin: str = ""
    """Number, pool or sender id of AWS End User Messaging by which texts go while Twilio has been failing; empty: they
    wait."""
    voice_standby_origin: str = ""
    """Number or pool there, which can make calls, by which texts are read aloud while Twilio's calls have been failing;
    empty: they wait. Region, configuration set, address and seconds are those of SMS_STANDBY_…."""
    sms_standby_region: str = ""
    """Its region; empty: AWS_REGION."""
    sms_standby_configuration_set: str = ""
    """Publishes the events of these texts and calls."""
    sms_standby_endpoint_url: str = ""
    """Where it is; empty: Amazon's own."""
    sms_standby_after_seconds: float = Field(default=30.0, ge=0, le=3600)
    """For how long nothing must have come of what Twilio was given before the standby takes over."""
    sms_standby_texts_per_second: float = Field(default=0.0, ge=0, le=10_000)
    """What the standby's origin may send, by all dispatchers together; 0: no limit."""
    voice_standby_calls_per_second: float = Field(default=0.0, ge=0, le=10_000)
    """Calls that the standby may begin, by all dispatchers together; 0: no limit."""
    twilio_texts_per_second: float = Field(default=0.0, ge=0, le=10_000)
    """What the account's numbers may send, by all dispatchers together; 0: no limit."""
    twilio_calls_per_second: float = Field(default=0.0, ge=0, le=10_000)
    """Calls that the account may begin, by all dispatchers together; 0: no limit. Twilio's own limit is 1 at first."""
    ses_mails_per_second: float = Field(default=0.0, ge=0, le=10_000)
    """The account's sending rate, by all dispatchers together; 0: no limit."""
    sns_platform_application_arn: str = ""
    """Application of our app; empty: no push leaves."""
    sandbox_channels: str = ""
    """Channels, with commas between them, that deliver to nobody: for drills. Never together with an account above."""
    sandbox_refuses_every: int = Field(default=0, ge=0)
    """In a drill every nth recipient is refused; 0: none."""
    sandbox_is_busy_every: int = Field(default=0, ge=0)
    """In a drill every nth recipient is tried twice; 0: none."""
    lease_seconds: float = Field(default=60.0, ge=1, le=3600)
    """A dead dispatcher's batch is looked at after this long."""
    retry_seconds: float = Field(default=5.0, gt=0, le=600)
    """First pause after a temporary failure; each further one is three times as long."""
    unsure_ask_seconds: float = Field(default=5.0, gt=0, le=600)
    """When a provider is asked about what it may have taken."""
    receipt_wait_seconds: float = Field(default=90.0, ge=0, le=3600)
    """How long receipts may take that prove what a provider without a search took."""
    screening_alarm_seconds: float = Field(default=300.0, ge=30, le=86_400)
    """After this long without a verdict administrators are told that messages of students wait."""
    silent_ask_seconds: float = Field(default=60.0, ge=1, le=86_400)
    """When a provider is asked about a delivery that it took and never spoke of again; then each time that its age has
    doubled."""

    @field_validator("sandbox_channels")
    @classmethod
    def _known_channels(cls, value: str) -> str:
        if unknown := [each for each in _names(value) if each not in set(Channel)]:
            raise ValueError(f"{', '.join(unknown)}: no such channel")
        return value

    @model_validator(mode="after")
    def _unsubscribing_with_a_secret(self) -> "ProviderConfig":
        if self.unsubscribe_url and not self.unsubscribe_secret.get_secret_value():
            raise ValueError("UNSUBSCRIBE_URL needs UNSUBSCRIBE_SECRET")
        return self

    @model_validator(mode="after")
    def _calls_with_events(self) -> "ProviderConfig":
        # Without events no call would be known to be taken, and none that nobody took would be made again.
        if self.voice_standby_origin and not (self.aws_access_key_id and self.sms_standby_configuration_set):
            raise ValueError("VOICE_STANDBY_ORIGIN needs AWS_ACCESS_KEY_ID and SMS_STANDBY_CONFIGURATION_SET")
        return self

    @model_validator(mode="after")
    def _drill_or_not(self) -> "ProviderConfig":
        if self.sandbox_channels and (self.twilio_account_sid or self.aws_access_key_id):
            raise ValueError("SANDBOX_CHANNELS is for drills: TWILIO_ACCOUNT_SID and AWS_ACCESS_KEY_ID must be empty")
        return self

    def sandboxed(self) -> list[Channel]:
        """Return the channels that deliver to nobody."""
        return [Channel(each) for each in _names(self.sandbox_channels)]


class DispatchConfig(ProviderConfig):
    """What `dispatch` reads."""

    workers: int = Field(default=4, ge=1, le=64)
    """Batches at the same time; one more serves alerts alone and one more alerts and emergencies alone."""
    poll_seconds: float = Field(default=0.1, ge=0.01, le=5)
    """How often an idle process looks for due batches that nobody has told it of."""


def _names(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]
