import java.util.List;
import java.util.Map;
import org.opensearch.common.settings.Settings;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/** One OpenSearch node from its jars, without the distribution: OpenSearch FOLDER PORT. */
public class OpenSearch {
  public static void main(String[] args) throws Exception {
    Settings settings =
        Settings.builder()
            .put("path.home", args[0])
            .put("path.data", args[0] + "/data")
            .put("cluster.name", "test")
            .put("discovery.type", "single-node")
            .put("http.host", "127.0.0.1")
            .put("http.port", args[1])
            .put("http.type", "netty4")
            .put("transport.host", "127.0.0.1")
            .put("transport.port", "0")
            .put("transport.type", "netty4")
            .build();
    var environment = InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "test");
    Node node = new Node(environment, List.of(Netty4Plugin.class), false) {};
    node.start();
    Thread.currentThread().join();
  }
}
