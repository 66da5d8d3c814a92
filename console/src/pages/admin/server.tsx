// What this server is: name, languages, identity, clock, processes, library.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError, patch } from '../../api/http';
import type { Server } from '../../api/types';
import { dateTime, language, number, relative, t } from '../../i18n';
import { clientList, server } from '../../state/store';
import { Badge, Button, Field, Notice, Spinner } from '../../ui/controls';
import { explain, toast } from '../../ui/toast';
import { LibraryCard } from './library';
import { Copyable, Fact } from './parts';
import { RotateKey } from './rotate';

export function ServerTab(): JSX.Element {
  const s = server.value;
  if (!s) return <Spinner />;
  return (
    <div class="stack wide-gap">
      <div class="cards two">
        <Settings server={s} />
        <Identity server={s} />
        <LibraryCard />
        <Clock server={s} />
      </div>
      <Instances server={s} />
      <p class="row wrap">
        <a class="btn" href="/docs">{t('admin.server.docs')}</a>
        <a class="btn" href="/licenses.txt">{t('admin.server.licences')}</a>
      </p>
    </div>
  );
}

/** "en, de-CH" as tags; the server checks them again. */
export const parseTags = (text: string): string[] => text.split(/[\s,;]+/).filter(Boolean);

function Settings({ server: s }: { server: Server }): JSX.Element {
  const [name, setName] = useState(s.name);
  const [tags, setTags] = useState(s.languages.join(', '));
  const [error, setError] = useState<{ name?: string; tags?: string }>({});
  const changed = name.trim() !== s.name || parseTags(tags).join() !== s.languages.join();
  const save = async () => {
    setError({});
    if (!name.trim()) return setError({ name: t('admin.server.name.bad') });
    try {
      server.value = await patch<Server>('/api/v1/server', { name: name.trim(), languages: parseTags(tags) });
      toast('good', t('admin.server.saved'));
    } catch (err) {
      const inTags = err instanceof ApiError && err.fields.some((f) => f.location.startsWith('body.languages'));
      setError({ [inTags ? 'tags' : 'name']: inTags ? t('admin.server.languages.bad') : explain(err) });
    }
  };
  return (
    <section class="card">
      <form class="stack" onSubmit={(e) => { e.preventDefault(); void save(); }}>
        <h2>{t('admin.server.settings')}</h2>
        <Field label={t('admin.server.name')} hint={t('admin.server.name.hint')} value={name} onInput={setName} error={error.name} maxLength={63} required />
        <Field label={t('admin.server.languages')} hint={languageNames(parseTags(tags)) || t('admin.server.languages.hint')} value={tags} onInput={setTags} error={error.tags} placeholder="de, en" />
        <div><Button type="submit" kind="primary" disabled={!changed}>{t('common.save')}</Button></div>
      </form>
    </section>
  );
}

function languageNames(tags: string[]): string {
  const names = new Intl.DisplayNames([language.value], { type: 'language' });
  return tags.map((tag) => {
    try {
      return names.of(tag) ?? tag;
    } catch {
      return `${tag}?`;
    }
  }).join(', ');
}

function Identity({ server: s }: { server: Server }): JSX.Element {
  const [rotating, rotate] = useState(false);
  return (
    <section class="card stack">
      <h2>{t('admin.server.identity')}</h2>
      <p class="dim small">{t('admin.server.identity.about')}</p>
      {s.server_id ? <Copyable label={t('admin.server.fingerprint')} text={s.server_id} testId="server-id" /> : <Notice tone="info">{t('admin.server.no_identity')}</Notice>}
      <div><Button icon="key" onClick={() => rotate(true)}>{t('admin.rotate')}</Button></div>
      {rotating && <RotateKey paired={clientList.value.filter((c) => c.trust === 'paired').length} others={clientList.value.filter((c) => c.connected && c.trust !== 'paired').length} onClose={() => rotate(false)} />}
    </section>
  );
}

function Clock({ server: s }: { server: Server }): JSX.Element {
  const c = s.house_clock;
  return (
    <section class="card stack">
      <h2>{t('admin.server.clock')}</h2>
      <p class="dim small">{t('admin.server.clock.about')}</p>
      <dl class="facts">
        <Fact name={t('admin.server.clock.leader')}>{c.leader || t('admin.server.clock.none')}</Fact>
        <Fact name={t('admin.server.clock.uncertainty')}><span class="num">± {number(c.uncertainty_us)} µs</span></Fact>
        <Fact name={t('admin.server.mode')}>{t(`admin.server.mode.${s.mode}`)}</Fact>
        <Fact name={t('admin.server.version')}>{s.version}</Fact>
      </dl>
    </section>
  );
}

function Instances({ server: s }: { server: Server }): JSX.Element {
  return (
    <section class="card stack">
      <h2>{t('admin.server.instances')}</h2>
      <ul class="plain instances">
        {s.instances.map((i) => (
          <li key={`${i.service} ${i.instance_id}`}>
            <span class="row wrap"><b>{i.service}</b><Badge tone="good" icon="check">{t('admin.server.up')}</Badge></span>
            <span class="dim small">
              {[i.host, i.version, i.addresses?.join(', ')].filter(Boolean).join(' · ')}
              {' · '}<time dateTime={i.started_at} title={dateTime(i.started_at)}>{t('admin.server.started', { when: relative(i.started_at) })}</time>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
