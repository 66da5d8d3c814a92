// Who may sign in, and what they may do.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { del, get, seg } from '../../api/http';
import { relative, t } from '../../i18n';
import { session } from '../../state/store';
import { Badge, Button, Empty } from '../../ui/controls';
import { useLoaded } from './load';
import { Await, Confirm, Fact } from './parts';
import { PersonDialog } from './person-dialog';
import { lastAdmin } from './person';
import type { Account } from './types';
import { RoleBadges } from './zones';

const load = async (): Promise<Account[]> =>
  (await get<{ users: Account[] }>('/api/v1/users')).users.sort((a, b) => Number(a.disabled) - Number(b.disabled) || a.name.localeCompare(b.name));

export function PeopleTab(): JSX.Element {
  const people = useLoaded(load);
  const [editing, edit] = useState<Account | 'new' | null>(null);
  const [leaving, leave] = useState<Account | null>(null);
  return (
    <div class="stack wide-gap">
      <div class="row wrap">
        <p class="grow dim reading">{t('admin.people.about')}</p>
        <Button icon="plus" kind="primary" onClick={() => edit('new')}>{t('admin.people.new')}</Button>
      </div>
      <Await of={people}>
        {(list) => list.length === 0
          ? <Empty icon="user" title={t('admin.people.none')}><p>{t('admin.people.none.text')}</p></Empty>
          : <ul class="plain cards">{list.map((u) => <Person key={u.user_id} user={u} last={lastAdmin(list, u)} onEdit={() => edit(u)} onDelete={() => leave(u)} />)}</ul>}
      </Await>
      {editing && <PersonDialog user={editing === 'new' ? undefined : editing} last={editing !== 'new' && lastAdmin(people.data ?? [], editing)} onClose={() => edit(null)} onSaved={people.reload} />}
      {leaving && (
        <Confirm title={t('admin.people.delete', { name: leaving.name })} action={t('common.delete')} onClose={() => leave(null)}
          run={async () => { await del(`/api/v1/users/${seg(leaving.user_id)}`); await people.reload(); }}>
          <p>{t('admin.people.delete.text')}</p>
        </Confirm>
      )}
    </div>
  );
}

function Person(p: { user: Account; last: boolean; onEdit: () => void; onDelete: () => void }): JSX.Element {
  const u = p.user;
  const me = u.user_id === session.value?.user?.user_id;
  return (
    <li class="card stack" data-testid="person">
      <div class="row">
        <h2 class="grow">{u.name}</h2>
        <Button icon="edit" kind="quiet" label={t('admin.people.edit', { name: u.name })} onClick={p.onEdit} />
        <Button icon="trash" kind="quiet" label={t('admin.people.delete', { name: u.name })} disabled={p.last} onClick={p.onDelete} />
      </div>
      <div class="row wrap">
        <RoleBadges role={u.role} zones={u.zones} />
        {me && <Badge tone="info" icon="user">{t('admin.people.you')}</Badge>}
        {u.has_password === false && <Badge tone="plain">{t('admin.people.no_password')}</Badge>}
        {u.disabled && <Badge tone="bad" icon="block">{t('admin.people.disabled')}</Badge>}
      </div>
      <dl class="facts">
        <Fact name={t('admin.people.seen')}>{u.last_sign_in_at ? relative(u.last_sign_in_at) : t('admin.people.never')}</Fact>
      </dl>
      {p.last && <p class="dim small">{t('admin.people.last')}</p>}
    </li>
  );
}
