// Pairing as a guided flow: choose a way, do what the device asks for, enter the code,
// done. One step at a time, cancelled at any time.
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Client } from '../../../api/types';
import { t } from '../../../i18n';
import { href, route } from '../../../router';
import { clients, name } from '../../../state/store';
import { Empty, Notice, Spinner } from '../../../ui/controls';
import { Icon } from '../../../ui/icons';
import { Fingerprint } from '../fingerprint';
import { Presence, StandingBadge } from '../row';
import { warningName } from '../words';
import { useAttempt } from './attempt';
import { ended, ways, type Way } from './code';
import { Ended } from './ended';
import { Methods } from './methods';
import { Running } from './running';
import { Steps } from './steps';
import { StaticEntry, TokenEntry } from './entry';
import { waiting } from './handover';

export function Pair(): JSX.Element {
  const id = route.value[2] ?? '';
  const c = clients.value.get(id);
  if (!c) {
    return <Empty icon="question" title={t('devices.unknown')}><p>{t('devices.unknown_hint')}</p><a class="btn" href={href('devices')}>{t('devices.all')}</a></Empty>;
  }
  return <Flow key={id} client={c} />;
}

function Flow({ client: c }: { client: Client }): JSX.Element {
  const a = useAttempt(c.client_id);
  // A token that was scanned elsewhere, for this device.
  const [token] = useState(() => waiting.take(c.client_id));
  const [way, setWay] = useState<Way | null>(() => (token ? ways(c).find((w) => w.kind === 'token') ?? null : null));
  const heading = useRef<HTMLHeadingElement>(null);
  const step = a.attempt ? (ended(a.attempt) ? 'end' : a.attempt.state) : way ? 'enter' : 'choose';
  const first = useRef(true);
  // Who uses a keyboard or a screen reader is taken along when the page moves on by itself.
  useEffect(() => {
    if (!first.current && step !== 'enter' && step !== 'awaiting_code') heading.current?.focus();
    first.current = false;
  }, [step === 'end' || step === 'choose' || step === 'enter']);

  const choose = async (w: Way) => {
    a.clear();
    if (w.kind === 'token' || w.kind === 'static') return setWay(w);
    setWay(w);
    if (!(await a.start({ method: w.method, format: w.format }))) setWay(null);
  };
  const back = () => { setWay(null); a.again(); };

  return (
    <div class="dv-flow stack">
      <div class="row wrap">
        <h2 ref={heading} tabIndex={-1} class="grow">{t('devices.pair.title', { name: name(c) })}</h2>
        <StandingBadge client={c} /><Presence client={c} />
      </div>
      <p class="row wrap small"><span class="dim">{t('devices.fingerprint')}</span><Fingerprint value={c.fingerprint} /></p>
      {c.warning && <Notice tone="bad"><strong>{warningName(c.warning)}</strong><p>{t('devices.pair.warning')}</p></Notice>}
      {!c.connected && !a.attempt && <Notice tone="warn">{t('devices.pair.not_here')}</Notice>}
      {a.attempt && <Steps attempt={a.attempt} />}
      {a.other && <Notice tone="warn" alert><p>{t('devices.pair.other', { who: a.attempt!.actor })}</p><p>{t('devices.pair.other_hint')}</p></Notice>}
      {a.loading ? <Spinner />
        : a.attempt && ended(a.attempt) ? <Ended client={c} attempt={a.attempt} onAgain={back} />
          : a.attempt ? <Running client={c} attempt={a.attempt} error={a.error} skew={a.skew} onSend={a.send} onCancel={a.cancel} />
            : way?.kind === 'token' ? <TokenEntry client={c} way={way} token={token} error={a.error} onStart={a.start} onBack={back} />
              : way?.kind === 'static' ? <StaticEntry client={c} way={way} error={a.error} onStart={a.start} onBack={back} />
                : way && !a.error ? <Spinner label={t('devices.pair.starting')} />
                  : (
                    <>
                      {a.error && <Notice tone="bad" alert>{a.error}</Notice>}
                      <Methods client={c} onChoose={choose} />
                      <p><a class="btn quiet" href={href('devices', 'd', c.client_id)}><Icon name="left" size={20} />{t('common.back')}</a></p>
                    </>
                  )}
    </div>
  );
}
