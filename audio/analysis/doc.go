// Package analysis turns samples into what a visualizer shows (specification, Visualizer
// messages): loudness, the dominant frequency and spectra sixty times a second, onsets,
// and beats with the first one of each bar. It is pure: samples go in, [Event] values
// come out, on a time axis that begins at frame 0 of the input.
//
// # Periodic frames
//
// Frame k stands at floor(k·1e6/60) µs, and shows the audio around that moment: the
// middle of a Hann window of about 90 ms (4096 samples at 44.1 and 48 kHz). All values
// are A-weighted (IEC 61672-1, applied to the power spectrum) on the scale of [Level].
// 0 dB is a full-scale sine at 1 kHz in all channels; in one of two channels it has -3 dB.
// Loudness is the power of the window, by Parseval's theorem. The dominant frequency is
// the top of a parabola through the largest bin and its neighbours. A display bin shows
// the largest value of its band, so that a sine has one height in bins of any width; one
// that is narrower than the transform's bins interpolates.
//
// # Onsets
//
// The onset strength is the spectral flux of log-compressed bands, 100 times a second
// (onset.go). A peak is where it stands out (peak.go); where exactly the attack is, the
// samples tell, so a click is placed to the sample.
//
// # Beats and bars
//
// The tempo is the best lag of the autocorrelation of the onset strength over 8 s, with a
// preference for 132 beats per minute, for the lag whose multiples repeat as well, and
// against subdivisions (tempo.go; 50 to 215 are found). Beats are the row of onsets
// through these 8 s that keeps that period best, found by dynamic programming (beat.go,
// after Ellis), with onsets before a longer gap favoured over those that lead to the next
// one. A beat is committed when it is older than the look-ahead, so the row was found with
// what follows in view. The first beat of the bar is the place, among those of 3/4 and 4/4
// bars, where harmony changes, drums and basses and strong onsets fall most, over the last
// 32 beats (bar.go). Silence and noise have no beats: nothing repeats in them.
package analysis
