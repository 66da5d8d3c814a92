// The one door to the operator API: same origin, the session's cookie, the CSRF header,
// and RFC 9457 problems as errors.

/** A field that the server refused. */
export interface FieldProblem {
  location: string;
  message: string;
}

/** What the server, or the network, said no with. `status` is 0 when nothing was reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly fields: FieldProblem[] = [],
    readonly retryAfterS = 0,
  ) {
    super(detail || title);
  }
}

let csrf = '';

/** Sets the token that proves that a change was asked for by this page. */
export function setCsrf(token: string): void {
  csrf = token;
}

/** Called when the server says that nobody is signed in any more. */
export let onSignedOut: () => void = () => {};
export function setOnSignedOut(f: () => void): void {
  onSignedOut = f;
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** How long an answer may take (ms). The API promises 5 s; the network has its share. */
const patience = 15_000;

export interface Options {
  signal?: AbortSignal;
  /** Sent as Idempotency-Key, so that a repeated tap does a thing once. */
  idempotencyKey?: string;
  /** A body that is not JSON, such as a clip. */
  raw?: Blob;
  /** ms, where patience is not right. */
  timeout?: number;
}

/** Headers that a change needs, for callers that cannot use request (downloads). */
export function changeHeaders(): Record<string, string> {
  return csrf ? { 'X-CSRF-Token': csrf } : {};
}

/** Sends a request and returns the parsed answer; undefined for 204. Throws ApiError. */
export async function request<T>(method: Method, path: string, body?: unknown, o: Options = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (method !== 'GET') Object.assign(headers, changeHeaders());
  if (o.idempotencyKey) headers['Idempotency-Key'] = o.idempotencyKey;
  let payload: BodyInit | undefined;
  if (o.raw) {
    payload = o.raw;
    headers['Content-Type'] = o.raw.type || 'application/octet-stream';
  } else if (body !== undefined) {
    payload = JSON.stringify(body);
    headers['Content-Type'] = 'application/json';
  }
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), o.timeout ?? patience);
  o.signal?.addEventListener('abort', () => stop.abort());
  let response: Response;
  try {
    response = await fetch(path, { method, headers, body: payload, credentials: 'same-origin', cache: 'no-store', signal: stop.signal });
  } catch {
    throw new ApiError(0, 'unreachable', '');
  } finally {
    clearTimeout(timer);
  }
  if (response.ok) {
    if (response.status === 204) return undefined as T;
    return (await response.json()) as T;
  }
  const error = await problem(response);
  if (response.status === 401 && !path.startsWith('/api/v1/session') && !path.startsWith('/api/v1/setup')) onSignedOut();
  throw error;
}

/** Reads a refusal. */
export async function problem(response: Response): Promise<ApiError> {
  const retry = Number(response.headers.get('Retry-After') ?? '0');
  try {
    const p = await response.json();
    return new ApiError(response.status, p.title ?? '', p.detail ?? '', p.errors ?? [], retry);
  } catch {
    return new ApiError(response.status, response.statusText, '', [], retry);
  }
}

/** A segment of a path, whatever it holds. */
export const seg = encodeURIComponent;

export const get = <T>(path: string, o?: Options) => request<T>('GET', path, undefined, o);
export const post = <T>(path: string, body?: unknown, o?: Options) => request<T>('POST', path, body, o);
export const put = <T>(path: string, body?: unknown, o?: Options) => request<T>('PUT', path, body, o);
export const patch = <T>(path: string, body?: unknown, o?: Options) => request<T>('PATCH', path, body, o);
export const del = <T>(path: string, o?: Options) => request<T>('DELETE', path, undefined, o);
