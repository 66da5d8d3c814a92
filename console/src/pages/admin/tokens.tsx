// API tokens: for programs, and for people who use the command line.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { del, get, seg } from '../../api/http';
import { date, dateTime, relative, t } from '../../i18n';
import { Badge, Button, Empty } from '../../ui/controls';
import { useLoaded } from './load';
import { Await, Confirm, Fact } from './parts';
import { TokenDialog } from './token-dialog';
import type { Token } from './types';
import { RoleBadges } from './zones';

const load = async (): Promise<Token[]> => (await get<{ tokens: Token[] }>('/api/v1/tokens')).tokens;

export function TokensTab(): JSX.Element {
  const tokens = useLoaded(load);
  const [making, make] = useState(false);
  const [leaving, leave] = useState<Token | null>(null);
  return (
    <div class="stack wide-gap">
      <div class="row wrap">
        <p class="grow dim reading">{t('admin.tokens.about')}</p>
        <Button icon="plus" kind="primary" onClick={() => make(true)}>{t('admin.tokens.new')}</Button>
      </div>
      <Await of={tokens}>
        {(list) => list.length === 0
          ? <Empty icon="key" title={t('admin.tokens.none')}><p>{t('admin.tokens.none.text')}</p></Empty>
          : <ul class="plain cards">{list.map((x) => <TokenCard key={x.token_id} token={x} onDelete={() => leave(x)} />)}</ul>}
      </Await>
      {making && <TokenDialog onClose={() => make(false)} onMade={tokens.reload} />}
      {leaving && (
        <Confirm title={t('admin.tokens.delete', { name: leaving.name })} action={t('common.delete')} onClose={() => leave(null)}
          run={async () => { await del(`/api/v1/tokens/${seg(leaving.token_id)}`); await tokens.reload(); }}>
          <p>{t('admin.tokens.delete.text')}</p>
        </Confirm>
      )}
    </div>
  );
}

function TokenCard({ token, onDelete }: { token: Token; onDelete: () => void }): JSX.Element {
  const over = token.expires_at !== undefined && Date.parse(token.expires_at) <= Date.now();
  return (
    <li class="card stack" data-testid="token">
      <div class="row">
        <h2 class="grow">{token.name}</h2>
        <Button icon="trash" kind="quiet" label={t('admin.tokens.delete', { name: token.name })} onClick={onDelete} />
      </div>
      <div class="row wrap">
        <RoleBadges role={token.role} zones={token.zones ?? []} />
        {over && <Badge tone="bad" icon="block">{t('admin.tokens.expired')}</Badge>}
      </div>
      <dl class="facts">
        <Fact name={t('admin.tokens.expires')}>{token.expires_at ? <time dateTime={token.expires_at}>{dateTime(token.expires_at)}</time> : t('admin.tokens.never')}</Fact>
        <Fact name={t('admin.tokens.used')}>{token.last_used_at ? relative(token.last_used_at) : t('admin.tokens.unused')}</Fact>
        <Fact name={t('admin.tokens.made')}>{token.created_by ? t('admin.tokens.made.by', { date: date(token.created_at), actor: token.created_by }) : date(token.created_at)}</Fact>
      </dl>
    </li>
  );
}
