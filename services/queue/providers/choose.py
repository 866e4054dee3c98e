"""Which adapters this environment has: a channel without an account is not served, and its deliveries wait."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import Clock
from services.kit.logs import get_logger
from services.queue import leaving
from services.queue.actions.dispatch import Dispatcher
from services.queue.actions.settle import Pace
from services.queue.actions.translating import Translating
from services.queue.config import ProviderConfig, QueueConfig
from services.queue.domain import SURVEYS, Channel
from services.queue.inviting import Invitations
from services.queue.links import Links
from services.queue.merging import content_for, text_for
from services.queue.providers.amazon_translate import AmazonTranslate
from services.queue.providers.aws import AwsSettings
from services.queue.providers.aws_sms import AwsSms
from services.queue.providers.aws_voice import AwsVoice
from services.queue.providers.base import Provider, Standby, Write
from services.queue.providers.recordings import FolderRecordings, RecordingStore, S3Recordings
from services.queue.providers.sandbox import Sandbox, SandboxSettings
from services.queue.providers.ses_email import Mailing, SesEmail
from services.queue.providers.ses_list import SesList
from services.queue.providers.sns_push import SnsPush
from services.queue.providers.speech import played, said
from services.queue.providers.twilio import TwilioSettings
from services.queue.providers.twilio_sms import TwilioSms
from services.queue.providers.twilio_voice import TwilioVoice
from services.queue.tickets import Tickets, call_ticket
from services.queue.work import Delivery, Work

_log = get_logger(__name__)
_MARGIN_SECONDS = 2.0
_TRANSLATED_AT_ONCE = 8


def make_dispatcher(config: ProviderConfig, engine: AsyncEngine, clock: Clock) -> Dispatcher:
    """Return a dispatcher with an adapter for every account of the environment. Needs a running loop."""
    providers = make_providers(config)
    for channel in Channel:
        if channel not in providers:
            _log.warning("channel_not_served", channel=channel.value)
    return Dispatcher(
        engine=engine,
        clock=clock,
        providers=providers,
        lease_seconds=_lease_seconds(config),
        call_seconds=config.provider_timeout_seconds + _MARGIN_SECONDS,
        pace=Pace(config.retry_seconds, config.unsure_ask_seconds, config.receipt_wait_seconds, config.redial_seconds),
        rates=_rates(config),
        standbys=_standbys(config, providers),
        standby_after_seconds=config.sms_standby_after_seconds,
    )


def _lease_seconds(config: ProviderConfig) -> float:
    return max(config.lease_seconds, 2 * (config.provider_timeout_seconds + _MARGIN_SECONDS))


def _rates(config: ProviderConfig) -> dict[str, float]:
    limits = {
        TwilioSms.name: config.twilio_texts_per_second,
        TwilioVoice.name: config.twilio_calls_per_second,
        SesEmail.name: config.ses_mails_per_second,
        AwsSms.name: config.sms_standby_texts_per_second,
        AwsVoice.name: config.voice_standby_calls_per_second,
    }
    return {name: limit for name, limit in limits.items() if limit}


def make_providers(config: ProviderConfig) -> dict[Channel, Provider]:
    """Return an adapter for every account of the environment, or the sandbox for a drill's channels."""
    drill = SandboxSettings(config.sandbox_refuses_every, config.sandbox_is_busy_every)
    providers: dict[Channel, Provider] = {each: Sandbox(each, drill) for each in config.sandboxed()}
    if config.twilio_account_sid and config.twilio_from_number:
        providers[Channel.SMS] = TwilioSms(_twilio(config, config.twilio_from_number), _texts(config))
    calling_number = config.twilio_voice_number or config.twilio_from_number
    if config.twilio_account_sid and calling_number.startswith("+"):
        voice = _twilio(config, calling_number)
        providers[Channel.TTS] = TwilioVoice(Channel.TTS, voice, _spoken)
        if config.has_recordings and config.recordings_url:
            providers[Channel.RECORDED] = TwilioVoice(Channel.RECORDED, voice, _player(config))
    if config.aws_access_key_id and config.ses_from_address:
        for mailing in _mailings(config):
            providers[mailing.channel] = SesEmail(
                _mail_regions(config), config.ses_from_address, config.ses_configuration_set, mailing
            )
    if config.aws_access_key_id and config.sns_platform_application_arn:
        providers[Channel.PUSH] = SnsPush(
            _aws(config, config.aws_endpoint_url), config.sns_platform_application_arn, _linking(config)
        )
    return providers


def _standbys(config: ProviderConfig, providers: Mapping[Channel, Provider]) -> dict[Channel, Standby]:
    """Return who takes over from a provider that has been failing; nobody plays recordings in Twilio's place."""
    if not config.aws_access_key_id:
        return {}
    account = _aws(config, config.sms_standby_endpoint_url)
    settings = replace(account, region=config.sms_standby_region or config.aws_region)
    events = config.sms_standby_configuration_set
    standbys: dict[Channel, Standby] = {}
    if config.sms_standby_origin and Channel.SMS in providers:
        standbys[Channel.SMS] = AwsSms(settings, config.sms_standby_origin, events, _texts(config))
    if config.voice_standby_origin and Channel.TTS in providers:
        standbys[Channel.TTS] = AwsVoice(settings, config.voice_standby_origin, events)
    return standbys


def make_translating(config: ProviderConfig, engine: AsyncEngine, clock: Clock, *, is_urgent: bool) -> Translating:
    """Return what translates messages; without an account or a region it leaves them as they were written."""
    invitations = make_invitations(config)
    around = invitations.around if invitations else None
    return Translating(engine, clock, make_translator(config), around, is_urgent, _lease_seconds(config))


def make_translator(config: QueueConfig) -> AmazonTranslate | None:
    """Return Amazon Translate; None without an account or a region."""
    if not (config.aws_access_key_id and config.translate_region):
        return None
    account = _aws(config, config.aws_endpoint_url)
    return AmazonTranslate(replace(account, region=config.translate_region, concurrency=_TRANSLATED_AT_ONCE))


def _mailings(config: ProviderConfig) -> list[Mailing]:
    """Return what goes by e-mail: polls and sign-ups only where their links lead somewhere."""
    plain = Mailing()
    if config.unsubscribe_url:
        links = Links(config.unsubscribe_secret.get_secret_value(), leaving.PURPOSE)
        plain = Mailing(unsubscribe=leaving.Leaving(config.unsubscribe_url.rstrip("/"), links).address)
    invitations = make_invitations(config)
    return [plain, *(replace(plain, channel=each, write=invitations.write) for each in sorted(SURVEYS) if invitations)]


def _texts(config: ProviderConfig) -> Write:
    """Return what writes texts: beside a poll or a sign-up they have the recipient's link."""
    invitations = make_invitations(config)
    return invitations.text if invitations else text_for


def _linking(config: ProviderConfig) -> Callable[[Work, Delivery], str]:
    """Return what gives a push message its recipient's link to answer."""
    invitations = make_invitations(config)
    return invitations.address if invitations else lambda *_: ""


def make_invitations(config: QueueConfig) -> Invitations | None:
    """Return what writes invitations; None where links lead nowhere."""
    if not (config.has_surveys and config.answers_url):
        return None
    links = Links(config.answers_secret.get_secret_value())
    return Invitations(config.answers_url.rstrip("/"), links, config.district_time_zone)


def _spoken(work: Work, recipient: Delivery) -> str:
    """Read the text in the voice of its language: that of the translation, else that in which it was written."""
    return said(content_for(work, recipient).text, work.content.language)


def _player(config: ProviderConfig) -> Callable[[Work, Delivery], str]:
    """Return what plays a batch's recording, at an address that is good for as long as its calls may begin."""
    tickets = Tickets(config.recordings_secret.get_secret_value())

    def play(work: Work, _: Delivery) -> str:
        ticket = call_ticket(work.content.recording_id or "", work.batch.claimed_at)
        return played(f"{config.recordings_url}/{tickets.sign(ticket)}")

    return play


def make_store(config: QueueConfig) -> RecordingStore | None:
    """Return where recordings are kept; None when there are no recorded calls."""
    if config.recordings_folder:
        return FolderRecordings(config.recordings_folder)
    if config.recordings_bucket:
        return S3Recordings(_aws(config, config.recordings_s3_endpoint_url), config.recordings_bucket)
    return None


def _twilio(config: ProviderConfig, from_number: str) -> TwilioSettings:
    return TwilioSettings(
        account_sid=config.twilio_account_sid,
        auth_token=config.twilio_auth_token.get_secret_value(),
        base_url=config.twilio_base_url,
        from_number=from_number,
        status_callback_url=config.twilio_status_callback_url,
        timeout_seconds=config.provider_timeout_seconds,
        concurrency=config.provider_concurrency,
    )


def _mail_regions(config: ProviderConfig) -> list[AwsSettings]:
    usual = _aws(config, config.aws_endpoint_url)
    if not config.ses_standby_region:
        return [usual]
    return [usual, replace(usual, region=config.ses_standby_region, endpoint_url=config.ses_standby_endpoint_url)]


def make_ses_list(config: ProviderConfig) -> SesList | None:
    """Return Amazon's own list of addresses that it sends nothing to; None where no e-mail leaves."""
    has_account = bool(config.aws_access_key_id and config.ses_from_address)
    return SesList(_mail_regions(config)) if has_account else None


def _aws(config: QueueConfig, endpoint_url: str) -> AwsSettings:
    return AwsSettings(
        region=config.aws_region,
        access_key_id=config.aws_access_key_id,
        secret_access_key=config.aws_secret_access_key.get_secret_value(),
        endpoint_url=endpoint_url,
        timeout_seconds=config.provider_timeout_seconds,
        concurrency=config.provider_concurrency,
    )
