// Pre-shared keys: what they are used as, and how a server refers to one
// (specification: "Pre-Shared Key").
import { sha256 } from '@noble/hashes/sha2';
import { base64url, concat, utf8 } from './bytes';

/** Long-term, pairing, Sentinel: as on the wire. */
export type Category = 'lt' | 'pr' | 'sn';

/** The published key that is used where no other applies. It proves nothing. */
export const sentinelPsk: Uint8Array = sha256(utf8('sendspin-sentinel-psk-v1'));

/** psk_id of a key: 43 characters of base64url. */
export const pskId = (psk: Uint8Array): string => base64url(sha256(concat(utf8('sendspin-psk-id-v1'), psk)));

export const sentinelId: string = pskId(sentinelPsk);
