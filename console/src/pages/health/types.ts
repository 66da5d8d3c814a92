// The objects of GET /api/v1/health and /health/history.

export type Quality = 'good' | 'fair' | 'poor' | 'idle' | 'offline';
export type Severity = 'info' | 'warning' | 'serious';
export type Range = '1h' | '6h' | '48h';
export type Method = 'POST' | 'PATCH' | 'PUT' | 'DELETE';

export interface Call {
  method: Method;
  path: string;
  body?: unknown;
}

/** What mends a finding: requests, or (without method) words alone. */
export interface Remedy {
  code: string;
  text: string;
  role?: 'operator' | 'admin';
  method?: Method;
  path?: string;
  body?: unknown;
  also?: Call[];
}

export interface Finding {
  finding_id: string;
  severity: Severity;
  code: string;
  params: Record<string, string | number>;
  clients: string[];
  groups: string[];
  since: string;
  text: string;
  remedy?: Remedy;
}

export interface ClientHealth {
  client_id: string;
  quality: Quality;
  rtt_us?: number;
  buffered_ms?: number;
  min_lead_ms?: number;
  late_10m: number;
  reconnects_1h: number;
  since?: string;
}

export interface ServiceHealth {
  service: string;
  instance_id: string;
  version: string;
  host: string;
  started_at: string;
  up: boolean;
  lost_at?: string;
  ready: boolean;
  draining?: boolean;
  cpu: number;
  cpus: number;
  memory_bytes: number;
  goroutines: number;
  sessions?: number;
  /** Several services live in this process; its figures are of all of them. */
  shared: boolean;
}

export interface Health {
  at: string;
  services: ServiceHealth[];
  clients: ClientHealth[];
  findings: Finding[];
}

/** Columns of equal length; null is what is not known. */
export type Column = (number | null)[];

export interface History {
  client_id: string;
  step_ms: number;
  from: string;
  rtt_us: Column;
  buffered_ms: Column;
  min_lead_ms: Column;
  late: Column;
  reconnects: Column;
  connected: Column;
}
