/** µs by which the client's clock is ahead of the page's, so that no time is 0. */
export const clockBase = 1_000_000;
