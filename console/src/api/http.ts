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
    /** What kind of problem it is, where the server says more than the status. */
    readonly type = '',
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

/** The type of a refusal of a CSRF token that is not the session's: another tab has signed in anew. */
const staleToken = 'urn:tutti:problem:csrf-token';

/** Asks for the session's token again; whether it is still the same person's. */
let renew: () => Promise<boolean> = async () => false;
export function setRenew(f: () => Promise<boolean>): void {
  renew = f;
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

/**
 * A request as it is, for bodies and answers that are not JSON; a change is sent with the
 * CSRF token, and once more when the token had changed. A refusal is thrown as ApiError.
 */
export async function send(path: string, init: RequestInit & { headers: Record<string, string> }): Promise<Response> {
  const change = init.method !== undefined && init.method !== 'GET';
  for (let again = false; ; again = true) {
    const headers = change && csrf ? { ...init.headers, 'X-CSRF-Token': csrf } : init.headers;
    let response: Response;
    try {
      response = await fetch(path, { ...init, headers, credentials: 'same-origin', cache: 'no-store' });
    } catch {
      throw new ApiError(0, 'unreachable', '');
    }
    if (response.ok) return response;
    const error = await problem(response);
    if (change && !again && response.status === 403 && error.type === staleToken && await renew()) continue;
    if (response.status === 401 && !path.startsWith('/api/v1/session') && !path.startsWith('/api/v1/setup')) onSignedOut();
    throw error;
  }
}

/** Sends a request and returns the parsed answer; undefined for 204. Throws ApiError. */
export async function request<T>(method: Method, path: string, body?: unknown, o: Options = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json' };
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
  try {
    const response = await send(path, { method, headers, body: payload, signal: stop.signal });
    return response.status === 204 ? undefined as T : (await response.json()) as T;
  } finally {
    clearTimeout(timer);
  }
}

/** Reads a refusal. */
export async function problem(response: Response): Promise<ApiError> {
  const retry = Number(response.headers.get('Retry-After') ?? '0');
  try {
    const p = await response.json();
    return new ApiError(response.status, p.title ?? '', p.detail ?? '', p.errors ?? [], retry, p.type ?? '');
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
