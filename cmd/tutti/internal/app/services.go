package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tutti-audio/tutti/audio/decode"
	"github.com/tutti-audio/tutti/audio/encode"
	"github.com/tutti-audio/tutti/platform/obs"
	"github.com/tutti-audio/tutti/platform/webtls"
	"github.com/tutti-audio/tutti/services/discovery"
	"github.com/tutti-audio/tutti/services/management"
	"github.com/tutti-audio/tutti/services/pairing"
	gateway "github.com/tutti-audio/tutti/services/session-gateway"
	"github.com/tutti-audio/tutti/services/stream"
)

// Services lists what `tutti run` can run, in the order in which `tutti serve` starts them.
func Services() []string {
	return []string{"pairing", "stream", "session-gateway", "discovery", "management"}
}

// service is one service built and not yet running.
type service struct {
	name string
	run  func(ctx context.Context) error
}

// built are the services of this process, with what others need of them.
type built struct {
	services   []service
	gateway    *gateway.Service
	management *management.Service
	// setUp shows the set-up code where there is no banner; may be nil.
	setUp func(code string)
	tls   *webtls.Certificate // of the operator API; nil: none
}

// build makes the named services on p; nothing runs yet.
func build(p *process, names []string) (*built, error) {
	b := &built{}
	for _, name := range names {
		if err := b.add(p, name); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return b, nil
}

func (b *built) add(p *process, name string) error {
	log := p.log
	if name == "stream" || name == "management" { // the others name themselves
		log = log.With(obs.KeyService, name)
	}
	switch name {
	case "pairing":
		s, err := pairing.New(pairing.Config{
			InstanceID: p.instance, Version: p.cfg.Version, DatabaseURL: p.cfg.DatabaseURL, DataDir: p.cfg.DataDir,
			DeploymentKeyFile: p.cfg.KeyFile, DeploymentKey: pairing.SecretText(p.cfg.Key), ServerName: p.cfg.Name,
			Venue: p.cfg.Venue, Languages: p.cfg.Languages, Policy: p.cfg.Policy, ControllerPolicy: p.cfg.ControllerPolicy,
		}, pairing.Deps{Bus: p.bus, Leases: p.leases, Log: log, Registerer: p.reg})
		if err != nil {
			return err
		}
		p.health.Add(name, s.Ready)
		b.services = append(b.services, service{name, s.Run})
	case "stream":
		s, err := stream.New(stream.Config{
			InstanceID: p.instance, Version: p.cfg.Version, MusicDir: p.cfg.Music, CacheDir: p.cfg.LibraryCache, SpoolDir: spoolDir(p.cfg.DataDir), ResumePlayback: p.cfg.Resume, Demo: p.cfg.Demo,
			MaxGroups: p.cfg.MaxGroups,
		}, stream.Deps{Bus: p.bus, Leases: p.leases, House: p.house, Log: log, Registerer: p.reg})
		if err != nil {
			return err
		}
		p.health.Add(name, s.Ready)
		p.onDrain(name, s.Drain)
		b.services = append(b.services, service{name, s.Run})
	case "session-gateway":
		s, err := gateway.New(gateway.Config{
			InstanceID: p.instance, Version: p.cfg.Version, Listen: p.cfg.Sendspin, Dial: true,
			MaxSessions: p.cfg.MaxSessions, RekeyInterval: p.cfg.RekeyInterval, SourceCodecs: decode.Codecs(),
		}, gateway.Deps{Bus: p.bus, Leases: p.leases, House: p.house, Log: log, Registerer: p.reg})
		if err != nil {
			return err
		}
		p.health.Add(name, s.Ready)
		b.gateway = s
		p.onDrain(name, s.Drain)
		b.services = append(b.services, service{name, s.Run})
	case "discovery":
		s, err := discovery.New(discovery.Config{
			InstanceID: p.instance, Version: p.cfg.Version, MDNS: p.cfg.MDNS, Static: p.cfg.Devices, DNSSD: p.cfg.DNSSD,
		}, discovery.Deps{Bus: p.bus, Log: log, Registerer: p.reg})
		if err != nil {
			return err
		}
		p.health.Add(name, s.Ready)
		b.services = append(b.services, service{name, s.Run})
	case "management":
		cert, err := p.cfg.certificate(log)
		if err != nil {
			return err
		}
		s, err := management.New(management.Config{
			InstanceID: p.instance, Version: p.cfg.Version, Venue: p.cfg.Venue, HTTP: p.cfg.HTTP, DataDir: p.cfg.DataDir, AdminToken: p.cfg.AdminToken,
			Mode: p.mode(), Encoders: encode.Codecs(), OIDC: p.cfg.oidc(),
		}, management.Deps{Bus: p.bus, House: p.house, Log: log, Registerer: p.reg, Gatherer: p.reg, Ready: p.ready, SetUp: b.setUp, TLS: cert, Restorer: newRestorer(p.cfg, p.restart)})
		if err != nil {
			return err
		}
		p.health.Add(name, s.Ready)
		b.management, b.tls = s, cert
		b.services = append(b.services, service{name, s.Run})
	default:
		return fmt.Errorf("there is no service %q: choose one of %s", name, strings.Join(slices.Sorted(slices.Values(Services())), ", "))
	}
	return nil
}

func (p *process) mode() string {
	if p.cfg.Embedded() {
		return management.ModeEmbedded
	}
	return management.ModeDistributed
}

func (p *process) ready() error { return p.health.Ready() }
