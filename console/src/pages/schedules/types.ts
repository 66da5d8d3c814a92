// What the Schedules page alone needs of the operator API.

export const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Day = (typeof days)[number];

/** How something takes holidays: as days like others, only then, or not then. */
export const holidayRules = ['as_usual', 'only', 'never'] as const;
export type HolidayRule = (typeof holidayRules)[number];

/** When something is in force. Times are "HH:MM"; an end at or before the start is on the next day. */
export interface Rule {
  days: Day[];
  holidays: HolidayRule;
  start: string;
  end: string;
}

export interface Daypart extends Rule {
  daypart_id?: string;
  name: string;
  /** What plays from its start; without it, and without stop, what plays goes on. */
  uri?: string;
  shuffle?: boolean;
  repeat?: 'off' | 'one' | 'all';
  volume?: number;
  /** Silence. */
  stop?: boolean;
}

export interface QuietHours extends Rule {
  max_volume: number;
}

export interface Schedule {
  schedule_id: string;
  group_id: string;
  name: string;
  enabled: boolean;
  time_zone: string;
  dayparts: Daypart[];
  quiet_hours: QuietHours[];
  skip_until?: string;
  /** Why the daypart in force could not be played; it is tried again. */
  error?: string;
}

export interface Holiday {
  date: string;
  name: string;
}

/** Something that will be in force: a line of the preview. */
export interface PreviewEvent {
  at: string;
  until: string;
  group_id: string;
  schedule_id: string;
  daypart_id?: string;
  name: string;
  kind: 'daypart' | 'quiet_hours';
  uri?: string;
  stop?: boolean;
  volume?: number;
  max_volume?: number;
  holiday?: string;
}

export interface LibraryEntry {
  name: string;
  path: string;
  folder: boolean;
  playlist?: boolean;
  title?: string;
  artist?: string;
}
