import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.util.descriptor.web.LoginConfig;
import org.apache.tomcat.util.descriptor.web.SecurityCollection;
import org.apache.tomcat.util.descriptor.web.SecurityConstraint;

/** Runs the servlet Sso on a loopback port: Launcher FOLDER PORT. */
public class Launcher {
    public static void main(String[] args) throws Exception {
        var tomcat = new Tomcat();
        tomcat.setBaseDir(args[0]);
        var connector = new Connector();
        connector.setPort(Integer.parseInt(args[1]));
        connector.setProperty("address", "127.0.0.1");
        tomcat.setConnector(connector);
        var context = tomcat.addContext("", args[0]);
        Tomcat.addServlet(context, "sso", new Sso());
        context.addServletMappingDecoded("/sso", "sso");
        if ("remote-user".equals(System.getenv("HANDOFF_USER_FROM"))) {
            tomcat.addUser("Alice", "pw-a");
            tomcat.addRole("Alice", "staff");
            context.setLoginConfig(new LoginConfig("BASIC", "intranet", null, null));
            context.getPipeline().addValve(new org.apache.catalina.authenticator.BasicAuthenticator());
            var everything = new SecurityCollection();
            everything.addPattern("/*");
            var staff = new SecurityConstraint();
            staff.addCollection(everything);
            staff.addAuthRole("staff");
            context.addConstraint(staff);
        }
        tomcat.start();
        tomcat.getServer().await();
    }
}
