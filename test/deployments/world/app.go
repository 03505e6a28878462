package world

import (
	_ "embed"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

//go:embed app.html
var appHTML string

var page = template.Must(template.New("").Parse(appHTML))

// application is an old web application of the kind that a deployment has: it believes
// the headers that it is sent, and decides by them.
func application(name string) http.Handler {
	a := applications[name]
	mux := http.NewServeMux()
	mux.HandleFunc("GET /admin/", a.show("Administration"))
	mux.HandleFunc("GET /", a.show(a.Heading))
	return mux
}

type app struct {
	Name, Heading string
	Colour, Paper template.CSS
	Links         [][2]string
	Columns       []string
	Rows          [][]string
}

var applications = map[string]app{
	"careplan": {
		Name: "Careplan", Heading: "Patients of today", Colour: "#33576b", Paper: "#eef1f3",
		Links:   [][2]string{{"Patients", "/"}, {"Bed 7", "/wards/7?bed=7"}},
		Columns: []string{"Bed", "Patient", "Next"},
		Rows:    [][]string{{"7.1", "A. Sample", "Observations due 10:00"}, {"7.2", "B. Sample", "Discharge letter ready"}, {"7.3", "C. Sample", "Nutrition plan to review"}},
	},
	"formulary": {
		Name: "Formulary", Heading: "Drug monographs", Colour: "#5b3a6e", Paper: "#f3f0f5",
		Links:   [][2]string{{"A–Z", "/"}, {"Amoxicillin", "/drugs/5?id=7&view=full%20text"}},
		Columns: []string{"Drug", "Class", "Last changed"},
		Rows:    [][]string{{"Amoxicillin", "Penicillins", "2026-10-02"}, {"Bisoprolol", "Beta blockers", "2026-09-11"}, {"Cetirizine", "Antihistamines", "2026-08-30"}},
	},
	"homewatch": {
		Name: "Homewatch", Heading: "Patients at home", Colour: "#1f6153", Paper: "#eef4f2",
		Links:   [][2]string{{"Patients", "/"}, {"Patient 7", "/patients/7"}},
		Columns: []string{"Patient", "Reading", "When"},
		Rows:    [][]string{{"D. Sample", "Weight 81.2 kg", "today 07:12"}, {"E. Sample", "Blood pressure 131/84", "today 06:58"}, {"F. Sample", "no reading for two days", "—"}},
	},
	"trialbase": {
		Name: "Trialbase", Heading: "Studies of your site", Colour: "#7a4a1d", Paper: "#f6f2ec",
		Links:   [][2]string{{"Studies", "/"}, {"Subject 0042", "/subjects/0042"}},
		Columns: []string{"Study", "Subjects", "Open queries"},
		Rows:    [][]string{{"TB-104", "42", "3"}, {"TB-117", "18", "0"}},
	},
	"wardwatch": {
		Name: "Wardwatch", Heading: "Alarms", Colour: "#7d2330", Paper: "#f7eff0",
		Links:   [][2]string{{"Alarms", "/"}, {"Administration", "/admin/"}},
		Columns: []string{"Bed", "Alarm", "Since"},
		Rows:    [][]string{{"3.2", "SpO₂ low", "00:42"}, {"5.1", "Leads off", "03:10"}},
	},
}

func (a app) show(heading string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := struct {
			app
			Asked, User, Person string
			Headers             [][2]string
		}{app: a, Asked: r.Method + " " + r.RequestURI, User: r.Header.Get("X-Forwarded-User"), Person: r.Header.Get("X-Forwarded-Name")}
		v.Heading = heading
		for name, values := range r.Header {
			v.Headers = append(v.Headers, [2]string{name, strings.Join(values, ", ")})
		}
		slices.SortFunc(v.Headers, func(x, y [2]string) int { return strings.Compare(x[0], y[0]) })
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, v)
	}
}
