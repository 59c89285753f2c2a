package demo

import (
	"fmt"
	"time"

	"yagura/internal/detect/intake"
)

// The company: 株式会社まるまど, who sell kitchen things to all of Japan.
const (
	domain    = "marumado.example"
	shop      = "shop.marumado.example"
	phishing  = "marumado-id.pages.dev"
	intruder  = "203.0.113.77"   // where the stolen session is used from
	guesser   = "198.51.100.200" // who guesses at the VPN
	publicWeb = "192.0.2."       // customers
)

type person struct {
	login, name, pc string
	ip              string
}

func (p person) mail() string { return p.login + "@" + domain }

func employees() []person {
	var people []person
	for i, n := range [...][2]string{
		{"suzuki.k", "鈴木 健"}, {"sato.m", "佐藤 美咲"}, {"tanaka.y", "田中 裕子"}, {"ito.d", "伊藤 大輔"},
		{"yamamoto.n", "山本 直樹"}, {"nakamura.a", "中村 葵"}, {"kobayashi.t", "小林 拓也"}, {"kato.h", "加藤 春香"},
		{"yoshida.r", "吉田 涼"}, {"yamada.s", "山田 翔"}, {"sasaki.e", "佐々木 恵"}, {"matsumoto.j", "松本 淳"},
		{"inoue.f", "井上 文"}, {"kimura.g", "木村 豪"}, {"hayashi.l", "林 里奈"}, {"shimizu.o", "清水 修"},
	} {
		people = append(people, person{
			login: n[0], name: n[1], pc: fmt.Sprintf("pc-%04d", 401+7*i), ip: fmt.Sprintf("10.20.4.%d", 11+i),
		})
	}
	return people
}

// origin is a product that sends logs.
type origin int

const (
	windows origin = iota
	okta
	m365
	slack
	box
	proxy
	webserver
	linux
	vpn
)

// batch is an empty batch as that product's logs come in.
func (o origin) batch() *intake.Batch {
	b := [...]intake.Batch{
		windows:   {Source: "winlogbeat", Input: "elastic", Format: intake.JSON},
		okta:      {Source: "okta", Input: "api", Format: intake.JSON},
		m365:      {Source: "m365", Input: "api", Format: intake.JSON},
		slack:     {Source: "slack", Input: "api", Format: intake.JSON},
		box:       {Source: "box", Input: "api", Format: intake.JSON},
		proxy:     {Source: "proxy", Input: "elastic", Format: intake.JSON},
		webserver: {Source: "shop-web", Input: "file", Format: intake.Line},
		linux:     {Source: "linux", Input: "syslog", Format: intake.Syslog},
		vpn:       {Source: "vpn-gw", Input: "syslog", Format: intake.Syslog},
	}[o]
	return &b
}

// japan is the company's time zone, which has no summer time.
func japan() *time.Location { return time.FixedZone("JST", 9*60*60) }
