package model

import "time"

// Schedule is what a zone plays when. Times of day are "HH:MM" by the clocks of its zone.
type Schedule struct {
	ScheduleID string       `json:"schedule_id" example:"s-3f2a"`
	GroupID    string       `json:"group_id" doc:"The zone, a named group; one schedule for each."`
	Name       string       `json:"name" example:"Bar"`
	Enabled    bool         `json:"enabled"`
	TimeZone   string       `json:"time_zone" doc:"IANA name; empty: the server's own, which has no name." example:"Europe/Berlin"`
	Dayparts   []Daypart    `json:"dayparts" nullable:"false"`
	QuietHours []QuietHours `json:"quiet_hours" nullable:"false"`
	SkipUntil  *time.Time   `json:"skip_until,omitempty" doc:"Until then no daypart begins or ends. Quiet hours hold."`
	UpdatedAt  *time.Time   `json:"updated_at,omitempty"`
	Error      string       `json:"error,omitempty" doc:"Why the daypart in force could not be played; it is tried again."`
}

// Daypart is a part of the day with its music.
type Daypart struct {
	DaypartID string   `json:"daypart_id" example:"d-9k1c"`
	Name      string   `json:"name" example:"Lunch"`
	Days      []string `json:"days" nullable:"false" enum:"mon,tue,wed,thu,fri,sat,sun" doc:"Days on which it starts."`
	Holidays  string   `json:"holidays" enum:"as_usual,only,never" doc:"only: on those of its days that are holidays."`
	Start     string   `json:"start" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" example:"11:30"`
	End       string   `json:"end" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"Before start: on the next day. The same: 24 hours." example:"14:00"`
	URI       string   `json:"uri,omitempty" doc:"Played from its start, as in POST play. Without uri and stop what plays goes on."`
	Shuffle   *bool    `json:"shuffle,omitempty"`
	Repeat    *string  `json:"repeat,omitempty" enum:"off,one,all"`
	Volume    *int32   `json:"volume,omitempty" doc:"Set once, at its start."`
	Stop      bool     `json:"stop,omitempty" doc:"Silence."`
}

// QuietHours cap the volume of every player of a zone, whoever sets it.
type QuietHours struct {
	Days      []string `json:"days" nullable:"false" enum:"mon,tue,wed,thu,fri,sat,sun" doc:"Days on which they start."`
	Holidays  string   `json:"holidays" enum:"as_usual,only,never"`
	Start     string   `json:"start" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" example:"22:00"`
	End       string   `json:"end" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" example:"07:00"`
	MaxVolume int32    `json:"max_volume" doc:"Where several are in force the least counts."`
}

// Schedules lists the schedules.
type Schedules struct {
	Schedules []Schedule `json:"schedules" nullable:"false"`
}

// Holidays are the days that dayparts may treat apart.
type Holidays struct {
	Holidays []Holiday `json:"holidays" nullable:"false" doc:"By date."`
}

// Holiday is one date.
type Holiday struct {
	Date string `json:"date" format:"date" example:"2026-12-25"`
	Name string `json:"name,omitempty" maxLength:"100" example:"Christmas Day"`
}

// SchedulePreview is what schedules ask for in a range of time.
type SchedulePreview struct {
	Events []ScheduleEvent `json:"events" nullable:"false" doc:"By time."`
}

// ScheduleEvent is one occurrence of a daypart or of quiet hours.
type ScheduleEvent struct {
	At         time.Time `json:"at"`
	Until      time.Time `json:"until"`
	GroupID    string    `json:"group_id"`
	ScheduleID string    `json:"schedule_id"`
	DaypartID  string    `json:"daypart_id,omitempty"`
	Name       string    `json:"name" doc:"Of the daypart; for quiet hours of the schedule."`
	Kind       string    `json:"kind" enum:"daypart,quiet_hours"`
	URI        string    `json:"uri,omitempty"`
	Stop       bool      `json:"stop,omitempty"`
	Volume     *int32    `json:"volume,omitempty"`
	MaxVolume  *int32    `json:"max_volume,omitempty"`
	Holiday    string    `json:"holiday,omitempty" doc:"The holiday that the day of its start is."`
}

// GroupSchedule is how a group does by its schedule.
type GroupSchedule struct {
	ScheduleID string     `json:"schedule_id"`
	DaypartID  string     `json:"daypart_id,omitempty"`
	Daypart    string     `json:"daypart,omitempty" doc:"The name of the one in force; absent: none is."`
	Since      *time.Time `json:"since,omitempty"`
	Until      *time.Time `json:"until,omitempty"`
	Next       string     `json:"next,omitempty" doc:"The name of the next daypart."`
	NextAt     *time.Time `json:"next_at,omitempty"`
	Overridden bool       `json:"overridden,omitempty" doc:"Somebody has played, stopped or set the volume since the daypart began. It holds until the next one."`
	Error      string     `json:"error,omitempty" doc:"Why the daypart could not be played; it is tried again."`
}
