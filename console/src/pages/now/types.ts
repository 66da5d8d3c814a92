// What the page Now asks for beyond the objects of api/types.ts: queues and the library.

/** A title of a queue. */
export interface QueueItem {
  id: string;
  uri: string;
  title?: string;
  artist?: string;
  album?: string;
  duration_ms?: number;
  live?: boolean;
}

export interface Queue {
  group_id: string;
  items: QueueItem[];
  /** Of the item that plays or would resume; -1 when none. */
  index: number;
}

export interface HistoryItem extends QueueItem {
  played_at?: string;
  played_ms: number;
}

/** A folder, a file that can be played, or a list of such. */
export interface LibraryEntry {
  name: string;
  /** Usable as a uri for play. */
  path: string;
  folder: boolean;
  playlist?: boolean;
  title?: string;
  artist?: string;
  album?: string;
  track?: number;
  disc?: number;
  year?: number;
  duration_ms?: number;
  cover?: boolean;
  /** Why the file cannot be played. */
  error?: string;
}

export interface LibraryStatus {
  state: 'off' | 'scanning' | 'ready' | 'failed';
  files_found: number;
  files_read: number;
  tracks: number;
  playlists: number;
  unreadable: number;
  error?: string;
}
