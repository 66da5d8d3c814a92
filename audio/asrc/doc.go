// Package asrc puts the audio of a source with a clock of its own on another clock:
// output frame k is what was captured at Base + k/rate, whatever the source's crystal
// does.
//
//	timestamps, frame counts ─► Tracker: when was input frame i captured?
//	samples ─► Resampler: continuous ratio ─► frames on the other clock
//	                 ▲ Aligner: steers the ratio by the difference
//
// The rate comes from the delivered frames against their timestamps, over the better
// part of a minute, so that neither the jitter of timestamps nor the corrections of the
// source's time filter are heard: the ratio changes by less than 100 ppm per second
// (0.17 cent), and the audio is not cut at chunk borders. A hole in the audio becomes
// silence of its length; a step of the timestamps that no time has passed for moves the
// anchor and leaves the audio alone.
//
// Everything is pure: samples and times in, samples out.
package asrc
