package world

// People makes the accounts and people that the notes speak of, for somebody who tries the
// deployment by hand.
func (w *World) People() {
	w.T.Helper()
	switch w.Name {
	case "careplan":
		w.Foregate("username,email,name\nNNURSE,nora@hospital.example,Nora Nurse\nOOUTSIDER,otto@hospital.example,Otto Outsider\n", "accounts", "import")
		w.Foregate("", "accounts", "create", "--username", "desk", "--email", "desk@hospital.example", "--name", "Service Desk")
		w.Foregate(Desk+"\n", "accounts", "password", "desk")
		w.Notes = append(w.Notes, "The console is for desk, password "+Desk+".")
	case "homewatch":
		w.Foregate("username,email,name,kind,organisation\nalice,alice@northfield.example,Alice Archer,staff,northfield\ncarol,carol@home.example,Carol Carter,patient,\ndora,dora@hospital.example,Dora Dean,staff,\n", "accounts", "import")
		w.Foregate(Password+"\n", "accounts", "password", "carol")
		w.Notes = append(w.Notes, "From the patient record system: "+w.Records("/patients/7", "u-0815", "dora@hospital.example"))
	case "formulary":
		w.Foregate("", "accounts", "create", "--username", "liam", "--email", "liam@library.example", "--name", "Liam Librarian")
		w.Foregate(Password+"\n", "accounts", "password", "liam")
		w.Notes = append(w.Notes, "liam has a password: "+Password)
	case "trialbase":
		w.Foregate("", "accounts", "create", "--username", "root", "--email", "root@example.test", "--name", "Rita Root", "--organisation", "customer")
		w.Foregate(Password+"\n", "accounts", "password", "root")
		w.Foregate("", "accounts", "exempt", "root")
		w.Notes = append(w.Notes, "root is exempt from single sign-on, password "+Password)
	case "wardwatch":
		w.Join("Nurse", w.Hire("nina"))
		w.Join("Administrator", w.Hire("adam"))
	}
}
