package model_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tutti-audio/tutti/services/management/internal/model"
)

// fixed are the names that scripts rely on, in the notation of the API's page: a "?" is
// after what may be absent. More names are welcome; these keep theirs.
var fixed = []struct {
	object any
	names  string
}{
	{model.Server{}, `server_id name version languages policy policy.pairing mode instances instances.service instances.instance_id instances.started_at
		house_clock house_clock.now_us house_clock.leader house_clock.uncertainty_us`},
	{model.Clients{}, `clients`},
	{model.Client{}, `client_id name label? device_info? supported_roles active_roles activities connected connection address? gateway? dialect suite? trust
		pair_methods pair_methods.method pair_methods.formats? pair_methods.out_channels? pair_methods.locations? unpaired_access warning? available group_id?
		player? player.volume? player.muted? player.output_delay_ms player.required_lead_time_ms player.min_buffer_ms player.supported_commands
		player.supported_formats player.preferred_format? player.stream_format? player.buffered_ms player.buffered_bytes
		source? source.signal? source.streaming sync? sync.rtt_us sync.last_time_exchange_at first_seen_at last_seen_at last_goodbye?`},
	{model.Inbox{}, `waiting waiting.client_id waiting.name waiting.address waiting.fingerprint waiting.first_seen_at waiting.expires_at? waiting.reason`},
	{model.Pairing{}, `state method format? round message? reason? started_at expires_at?`},
	{model.Groups{}, `groups`},
	{model.Group{}, `group_id name members playback_state paused volume muted repeat shuffle
		now_playing? now_playing.title? now_playing.artist? now_playing.album? now_playing.duration_ms now_playing.position_ms queue_length source?`},
	{model.Audit{}, `events events.id events.at events.actor events.kind events.client_id? events.detail`},
	{model.Problem{}, `type title status detail errors? errors.location errors.message`},
}

// The names are compared with what is encoded, not with the Go types: an object with
// nothing in it has all that must be there, one with everything has them all.
func TestNamesOfTheObjects(t *testing.T) {
	for _, f := range fixed {
		typ := reflect.TypeOf(f.object)
		full := reflect.New(typ).Elem()
		fill(full, 0)
		everything, nothing := encode(t, full.Interface()), encode(t, f.object)
		for name := range strings.FieldsSeq(f.names) {
			name, optional := strings.CutSuffix(name, "?")
			if !has(everything, name) {
				t.Errorf("%s has no %s", typ.Name(), name)
			}
			if !optional && !strings.Contains(name, ".") && !has(nothing, name) {
				t.Errorf("%s lacks %s when it has no value", typ.Name(), name)
			}
			if parent, key, nested := cutLast(name); nested && !optional && !has(encode(t, hollow(full, parent)), name) {
				t.Errorf("%s: %s lacks %s when it has no value", typ.Name(), parent, key)
			}
		}
	}
}

func cutLast(name string) (parent, key string, nested bool) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return "", name, false
	}
	return name[:i], name[i+1:], true
}

// fill gives every field a value; one element to slices and maps.
func fill(v reflect.Value, depth int) {
	if depth > 6 {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1, 0)))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), depth+1)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth+1)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1)
	}
}

// hollow is a copy of an object whose part with the given name is there and has nothing
// in it.
func hollow(full reflect.Value, part string) any {
	out := reflect.New(full.Type()).Elem()
	out.Set(full)
	for i := range out.NumField() {
		if tag, _, _ := strings.Cut(out.Type().Field(i).Tag.Get("json"), ","); tag != part {
			continue
		}
		switch f := out.Field(i); f.Kind() {
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
			if e := f.Index(0); e.Kind() == reflect.Pointer {
				e.Set(reflect.New(e.Type().Elem()))
			}
		default:
			f.SetZero()
		}
	}
	return out.Interface()
}

func encode(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// has follows a dotted name; in a list, that of its first element.
func has(v any, name string) bool {
	first, rest, more := strings.Cut(name, ".")
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
	}
	m, _ := v.(map[string]any)
	got, ok := m[first]
	return ok && (!more || has(got, rest))
}
