package api

import (
	"reflect"
	"strconv"
	"strings"
)

// tidyNames takes away the white space around every name and label of a request's body,
// wherever it stands in it: nobody sees it, and everybody searches in vain for what has it.
// One that must not be empty and has nothing else is refused. Fields are known by their
// names in JSON, so a new operation need not think of it.
func tidyNames(in any) error {
	v := reflect.ValueOf(in).Elem()
	if v.Kind() != reflect.Struct {
		return nil
	}
	if v = v.FieldByName("Body"); !v.IsValid() {
		return nil
	}
	return tidy(v, "body")
}

func tidy(v reflect.Value, at string) error {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return tidy(v.Elem(), at)
		}
	case reflect.Slice:
		if k := v.Type().Elem().Kind(); k != reflect.Struct && k != reflect.Pointer {
			return nil
		}
		for i := range v.Len() {
			if err := tidy(v.Index(i), indexed(at, i)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if err := tidyField(v.Type().Field(i), v.Field(i), at); err != nil {
				return err
			}
		}
	}
	return nil
}

func tidyField(f reflect.StructField, v reflect.Value, at string) error {
	if !f.IsExported() {
		return nil
	}
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name != "" {
		at += "." + name
	}
	if name != "name" && name != "label" {
		return tidy(v, at)
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	if v.Kind() != reflect.String {
		return tidy(v, at)
	}
	v.SetString(strings.TrimSpace(v.String()))
	if least, _ := strconv.Atoi(f.Tag.Get("minLength")); least > 0 && v.Len() == 0 {
		return badField(at, "is blank")
	}
	return nil
}
