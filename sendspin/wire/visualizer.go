package wire

// Data types of visualizer streams.
const (
	VisualBeat     = "beat"
	VisualLoudness = "loudness"
	VisualFPeak    = "f_peak"
	VisualPeak     = "peak"
	VisualSpectrum = "spectrum"
)

// Scales of [Spectrum].
const (
	ScaleMel = "mel"
	ScaleLog = "log"
	ScaleLin = "lin"
)

// VisualizerSupport is the visualizer@v1 support object of client/hello.
type VisualizerSupport struct {
	// BufferCapacity is the limit of buffered visualizer messages in bytes, at
	// least 0.
	BufferCapacity int
}

// Spectrum configures the bins of VisualSpectrum frames.
type Spectrum struct {
	// Bins is n_disp_bins, at least 1.
	Bins int
	// Scale is ScaleMel, ScaleLog or ScaleLin.
	Scale string
	// FMin and FMax are in Hz, at least 0, FMin not above FMax.
	FMin int
	FMax int
}

// VisualizerState is the visualizer object of client/state.
type VisualizerState struct {
	// Types is a subset of the Visual constants; it may be empty.
	Types []string
	// RateMax is the limit of periodic frames per second and type, at least 1.
	RateMax int
	// Spectrum is required with VisualSpectrum.
	Spectrum *Spectrum
}

// VisualizerStream is the visualizer object of stream/start.
type VisualizerStream struct {
	Types   []string
	RateMax int
	// TracksDownbeats is required with VisualBeat and absent without it.
	TracksDownbeats *bool
	// Spectrum is required with VisualSpectrum and absent without it.
	Spectrum *Spectrum
}
